package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Login is a way to get a token of Vault's. It must be safe to call again and again, since a token ends.
// c is a client without a token; the error must show no credential.
type Login func(ctx context.Context, c *api.Client) (*api.Secret, error)

// Token logs in with a token that is there already. It is renewed as long as it can be; when it ends
// nobody can get another, so it is for trying things out, or for a token without an end. A log-in fails if
// the token has expired, or if Vault can't say.
//
// How long a token lives that can't be renewed, Vault says if the token may look itself up, which the policy
// in app.hcl leaves out and Vault's default policy allows. Otherwise it is used until Vault refuses it, and
// the request that meets that logs in anew.
func Token(token string) Login {
	return func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		return useToken(ctx, c, token)
	}
}

// TokenFile logs in with a token that another process keeps fresh in a file: Vault Agent or Vault
// Proxy. It is read anew at each log-in. For the rest it is as [Token].
func TokenFile(path string) Login {
	return func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		token, err := readSecretFile(path)
		if err != nil {
			return nil, err
		}
		return useToken(ctx, c, token)
	}
}

func useToken(ctx context.Context, c *api.Client, token string) (*api.Secret, error) {
	if token == "" {
		return nil, errors.New("the token is empty")
	}
	c.SetToken(token)
	defer c.ClearToken()
	renewed, err := c.Auth().Token().RenewSelfWithContext(ctx, 0)
	switch {
	case err == nil && (renewed == nil || renewed.Auth == nil || renewed.Auth.ClientToken == ""):
		return nil, errors.New("the token's renewal was answered without a token: check the address")
	case err == nil:
		return renewed, nil
	case !notRenewable(err):
		return nil, err // An outage, or a dead token: taken for one that needs no renewal, it would never get any.
	}
	answer, err := c.Auth().Token().LookupSelfWithContext(ctx)
	if refused, dead := denied(err); refused && !dead {
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}, nil
	} else if err != nil {
		return nil, err
	}
	left, err := answer.TokenTTL()
	if err != nil || answer == nil || answer.Data == nil {
		return nil, errors.New("what Vault says of the token can't be read: check the address")
	}
	if left <= 0 && answer.Data["expire_time"] != nil {
		left = time.Second // The last one, which Vault rounds down to "no end".
	}
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: token, LeaseDuration: int(left / time.Second)}}, nil
}

// notRenewable says whether Vault refused to renew a token that is good all the same: it is a root or batch
// token, was made so, or its policy lacks renew-self.
func notRenewable(err error) bool {
	refused, dead := denied(err)
	resp, ok := errors.AsType[*api.ResponseError](err)
	return refused && !dead || ok && !resp.RawError && resp.StatusCode == http.StatusBadRequest && len(resp.Errors) > 0
}

// AppRole logs in with a role id and a secret id from a file, which is read anew at each log-in. The
// method is mounted at "approle"; see [AppRoleAt].
func AppRole(roleID, secretIDFile string) Login { return AppRoleAt("approle", roleID, secretIDFile) }

// AppRoleAt is [AppRole] for a method that is mounted at another path below auth/.
func AppRoleAt(mount, roleID, secretIDFile string) Login {
	return func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		secretID, err := readSecretFile(secretIDFile)
		if err != nil {
			return nil, err
		}
		return logIn(ctx, c, mount, map[string]any{"role_id": roleID, "secret_id": secretID})
	}
}

// KubernetesTokenFile is where Kubernetes puts a pod's own token.
const KubernetesTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // A path, not a credential.

// Kubernetes logs in as the pod's service account, whose token at [KubernetesTokenFile] rotates and is
// read anew at each log-in. The method is mounted at "kubernetes"; for another path, use [JWT] with it.
func Kubernetes(role string) Login { return JWT("kubernetes", role, KubernetesTokenFile) }

// JWT logs in with a signed token from a file, read anew at each log-in, by a method of the kind jwt,
// oidc or kubernetes that is mounted at that path below auth/.
func JWT(mount, role, tokenFile string) Login {
	return func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		token, err := readSecretFile(tokenFile)
		if err != nil {
			return nil, err
		}
		return logIn(ctx, c, mount, map[string]any{"role": role, "jwt": token})
	}
}

func logIn(ctx context.Context, c *api.Client, mount string, credentials map[string]any) (*api.Secret, error) {
	answer, err := c.Logical().WriteWithContext(ctx, "auth/"+strings.Trim(mount, "/")+"/login", credentials)
	if err != nil {
		return nil, err
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return nil, fmt.Errorf("auth/%s gave no token: check the method's mount and its answer's wrapping", mount)
	}
	return answer, nil
}

func readSecretFile(path string) (string, error) {
	b, err := os.ReadFile(path) //nolint:gosec // The operator names it.
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return text, nil
}
