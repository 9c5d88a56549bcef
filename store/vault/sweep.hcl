# What upkeep needs: a job that sweeps tombstones or seals anew, or an operator. No server needs it.

# Walk the users' ids.
path "ghlogin/metadata/grants/*" {
  capabilities = ["list", "delete"]
}

# See what has expired.
path "ghlogin/data/grants/*" {
  capabilities = ["read"]
}
