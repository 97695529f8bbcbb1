"""The service: what runs in AWS Lambda, small enough to read in one sitting."""
