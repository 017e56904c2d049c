"""What may a role use when it performs an effect? The impure half of the roles."""
