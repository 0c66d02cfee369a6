"""Models: features in the language of the definitions, and what is to be learnt from them."""
