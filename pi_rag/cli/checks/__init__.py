"""What `pi-rag doctor` looks at, by subject. Each check looks once, changes nothing and gives its verdict.

Neither the database nor the model is ever opened to be used: what is known of them comes from the service.
"""
