"""What is looked for: groups of rules, and what they see of a file."""
