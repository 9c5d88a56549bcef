# What a server needs, and nothing else. Mount and prefix are the defaults: change them here if you changed
# them there.

# Grants: "create" for the first sign-in of a user, "update" for all that follows.
path "ghlogin/data/grants/*" {
  capabilities = ["create", "update", "read"]
}

# Ping checks that no old versions are kept.
path "ghlogin/config" {
  capabilities = ["read"]
}

# A service token keeps itself alive. Batch tokens do without.
path "auth/token/renew-self" {
  capabilities = ["update"]
}
