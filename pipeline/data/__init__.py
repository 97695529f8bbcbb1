"""A file -> records. Every row passes the contract and gets a key, an origin and a fold; a bad row refuses the file."""
