# What upkeep needs: a job that sweeps tombstones, or an operator. One that seals anew needs app.hcl as well. No
# server needs it.

# Walk the users' ids.
path "ghlogin/metadata/grants/*" {
  capabilities = ["list", "delete"]
}

# See what has expired.
path "ghlogin/data/grants/*" {
  capabilities = ["read"]
}
