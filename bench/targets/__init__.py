"""Who answers: the API or a URL, the mock server over HTTP, the mock engine in virtual time."""
