"""Pages of customers and of the operator's people, as a part of the site that stands beside the API."""
