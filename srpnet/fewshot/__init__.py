"""SRPNet: the network, its prototypes, its training and its evaluation."""
