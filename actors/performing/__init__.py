"""What may a role use when it performs an effect? The impure part of the roles."""
