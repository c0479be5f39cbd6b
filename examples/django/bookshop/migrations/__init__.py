"""How the bookshop's tables came to be."""
