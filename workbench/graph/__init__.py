"""Nodes, edges, hubs and buckets, and the formats to exchange them."""
