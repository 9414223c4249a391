"""Generated from sdk/proto by `make proto`."""
