"""What other systems and people send: forms, payloads and files."""
