"""What is run by hand or by delivery, outside of Pulumi."""
