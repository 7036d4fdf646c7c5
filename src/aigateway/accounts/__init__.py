"""Who may do what: users, roles, tokens and sign-in."""
