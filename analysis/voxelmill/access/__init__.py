"""One login for all: OpenID Connect, by default at Life Science AAI.

In: a person with a browser (`device`), once. Out: a session, kept in a file that only its owner can
read (`session`), and from it an access or ID token that is still valid for a while, for any number
of processes at once (`refresh.fresh`). Who issued a token is proven by signatures (`tokens`,
`passport`). The only package that imports httpx, joserfc, qrcode and keyring.
"""
