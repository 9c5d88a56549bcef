#!/bin/sh
# Sets Vault up for compose.yaml, as docs/vault.md says: mount, policy, AppRole. It can be run again.
set -eu

if ! vault read ghlogin/config >/dev/null 2>&1; then
  vault secrets enable -path=ghlogin kv-v2
fi
vault write ghlogin/config max_versions=1 cas_required=true
vault policy write ghlogin /app.hcl
if ! vault read sys/auth/approle >/dev/null 2>&1; then
  vault auth enable approle
fi
vault write auth/approle/role/ghlogin token_policies=ghlogin token_no_default_policy=true token_ttl=1h token_max_ttl=24h
# No secret, so it can be known beforehand and stand in compose.yaml.
vault write auth/approle/role/ghlogin/role-id role_id=compose

# Files come into their place in one step, readable for the replicas' user alone.
umask 077
cd /run/secrets
vault write -f -field=secret_id auth/approle/role/ghlogin/secret-id > new
chown 65532:65532 new
mv -f new vault-secret-id
if ! [ -e cookie-key ]; then
  head -c 32 /dev/urandom | base64 > new
  chown 65532:65532 new
  mv new cookie-key
fi
