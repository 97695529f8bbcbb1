"""What people read, made from code and reports: pictures, the model card, the data dictionary."""
