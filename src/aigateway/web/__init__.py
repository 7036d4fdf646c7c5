"""The dashboard: pages for people, made on the server, which work without JavaScript and each have a twin in JSON."""
