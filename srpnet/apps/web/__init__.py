"""The page of `srpnet app`: a workspace for each person, the painter, the page, the server."""
