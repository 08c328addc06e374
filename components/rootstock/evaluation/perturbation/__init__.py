"""Ways to change a test row that leave a person's answer as it is, a file each."""
