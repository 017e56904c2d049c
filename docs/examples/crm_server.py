"""The tools of crm.py as an MCP server over stdio: `playhead.mcp("python crm_server.py")`."""

from crm import get_contact_by_email, search_contacts, update_lead_score
from mcp.server import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("crm")

READ, AGAIN = ToolAnnotations(read_only_hint=True), ToolAnnotations(idempotent_hint=True)

server.tool(annotations=READ)(search_contacts)
server.tool(annotations=READ)(get_contact_by_email)
server.tool(annotations=AGAIN)(update_lead_score)

if __name__ == "__main__":
    server.run()
