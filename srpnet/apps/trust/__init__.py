"""Whether to trust it: what examples say of themselves, a forecast, the risk of each photograph, what to mark next."""
