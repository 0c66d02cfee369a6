"""What downstream imports: changes and current memberships as typed records."""
