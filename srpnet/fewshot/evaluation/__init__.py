"""SRPNet scored: as a method that answers episodes, and `srpnet eval` as a function."""
