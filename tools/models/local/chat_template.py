"""How llama.cpp's server renders a conversation for whoever speaks the protocols to it.

The weights are a base model's: worked examples in the conversation, in this form, are what make it
call tools. `LocalModel` renders its own prompts and does not use it.
"""

CHAT_TEMPLATE = """\
{%- if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{%- endif %}
{%- if tools %}{{- 'Tools:\\n' }}
{%- for tool in tools %}
{{- '- ' + tool.function.name + ': ' + tool.function.description + '\\n' }}
{%- endfor %}{{- '\\n' }}{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' %}{{- 'Question: ' + message.content + '\\n' }}
{%- elif message.role == 'assistant' and message.tool_calls %}
{%- for call in message.tool_calls %}
{%- set made = call.function if call.function is defined else call %}
{{- '<tool_call>\\n{"name": "' + made.name + '", "arguments": ' }}{{- made.arguments | tojson }}
{{- '}\\n</tool_call>\\n' }}
{%- endfor %}
{%- elif message.role == 'assistant' %}{{- 'Answer: ' + message.content + '\\n\\n' }}
{%- elif message.role == 'tool' %}{{- 'Result: ' + message.content + '\\n' }}
{%- endif %}
{%- endfor %}
"""
