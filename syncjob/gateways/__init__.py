"""Payment gateways, one module each; the module's name is the connector's name."""
