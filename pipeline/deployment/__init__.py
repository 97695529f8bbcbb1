"""From the built function to users: what answers on AWS, how it gets there, and how it is taken back."""
