"""What tests share: factories, servers, processes, models of the product's promises."""
