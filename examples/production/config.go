package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/fx"

	"github.com/ghlogin/ghlogin/fxmodule"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/vault"
)

// config is all that the environment decides.
type config struct {
	GitHub     middleware.Config
	Vault      vault.Config
	VaultLogin vault.Login

	Addr      string         // Of the pages.
	AdminAddr string         // Of health and metrics, which are nobody's business outside.
	Redis     *redis.Options // Nil for sessions in a sealed cookie.
}

// configFromEnv reads the environment. The error names all that is missing or wrong.
//
//	GITHUB_...              as middleware.ConfigFromEnv says
//	COOKIE_KEY_FILE         a file with a key for the cookies, of 32 bytes or more; two lines while it is replaced, the new one first
//	VAULT_ADDR              Vault's address
//	VAULT_ROLE_ID           the AppRole's role id, and
//	VAULT_SECRET_ID_FILE    the file with its secret id; or
//	VAULT_KUBERNETES_ROLE   the role of Vault's Kubernetes method
//	VAULT_MOUNT             the KV version 2 engine; "ghlogin" if not set
//	VAULT_ALLOW_PLAIN_HTTP  true sends tokens to Vault in the clear, for a network of containers on one machine
//	VAULT_CACERT            a PEM file of who signs Vault's certificate; optional
//	SESSIONS                redis (the default) or cookie
//	REDIS_URL               redis://..., rediss://... or unix://..., for the former
//	ADDR, ADMIN_ADDR        :8080 and 127.0.0.1:8081 if not set
func configFromEnv() (config, error) {
	c := config{
		Vault:     vault.Config{Address: os.Getenv("VAULT_ADDR"), CACertFile: os.Getenv("VAULT_CACERT"), Mount: os.Getenv("VAULT_MOUNT"), AllowPlainHTTP: os.Getenv("VAULT_ALLOW_PLAIN_HTTP") == "true"},
		Addr:      cmp.Or(os.Getenv("ADDR"), ":8080"),
		AdminAddr: cmp.Or(os.Getenv("ADMIN_ADDR"), "127.0.0.1:8081"),
	}
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	var err error
	if c.GitHub, err = middleware.ConfigFromEnv(); err != nil {
		problems = append(problems, err)
	}
	if file := os.Getenv("COOKIE_KEY_FILE"); file == "" {
		problem("COOKIE_KEY_FILE is not set: it is a file with 32 bytes or more of randomness, the same for all replicas; make it with `openssl rand -base64 32`")
	} else if text, err := os.ReadFile(file); err != nil { //nolint:gosec // The operator names it.
		problem("COOKIE_KEY_FILE: the key can't be read: %w", err)
	} else {
		for key := range strings.FieldsSeq(string(text)) {
			c.GitHub.CookieKeys = append(c.GitHub.CookieKeys, oauth.NewSecret(key))
			if len(key) < 32 {
				problem("COOKIE_KEY_FILE: key %d has %d bytes, of 32 that it needs: make it with `openssl rand -base64 32`", len(c.GitHub.CookieKeys), len(key))
			}
		}
		if len(c.GitHub.CookieKeys) == 0 {
			problem("COOKIE_KEY_FILE: the file is empty; make a key with `openssl rand -base64 32`")
		}
	}
	if c.Vault.Address == "" {
		problem("VAULT_ADDR is not set: it is Vault's address, such as https://vault.example.com:8200")
	} else if err := c.Vault.Validate(); err != nil {
		problem("VAULT_ADDR, VAULT_MOUNT: %w", err)
	}
	role, roleID, secretIDFile := os.Getenv("VAULT_KUBERNETES_ROLE"), os.Getenv("VAULT_ROLE_ID"), os.Getenv("VAULT_SECRET_ID_FILE")
	switch {
	case role != "" && roleID != "":
		problem("VAULT_KUBERNETES_ROLE and VAULT_ROLE_ID are both set: take one of them out")
	case role != "":
		c.VaultLogin = vault.Kubernetes(role)
	case roleID == "" || secretIDFile == "":
		problem("VAULT_ROLE_ID and VAULT_SECRET_ID_FILE are not both set: they are an AppRole's; on Kubernetes set VAULT_KUBERNETES_ROLE instead")
	default:
		if _, err := os.ReadFile(secretIDFile); err != nil { //nolint:gosec // The operator names it.
			problem("VAULT_SECRET_ID_FILE: the secret id can't be read: %w", err)
		}
		c.VaultLogin = vault.AppRole(roleID, secretIDFile)
	}
	switch sessions := cmp.Or(os.Getenv("SESSIONS"), "redis"); sessions {
	case "cookie":
	case "redis":
		if os.Getenv("REDIS_URL") == "" {
			problem("REDIS_URL is not set: write redis://HOST:6379/0, or set SESSIONS=cookie to do without")
		} else if c.Redis, err = redis.ParseURL(os.Getenv("REDIS_URL")); err != nil {
			problem("REDIS_URL is not one of a Redis: write redis://HOST:6379/0, or set SESSIONS=cookie to do without") // Its error quotes the password.
		}
	default:
		problem("SESSIONS is %q: write redis or cookie", sessions)
	}
	return c, errors.Join(problems...)
}

// sessions keeps sign-ins in Redis, or in the browser. The latter needs no Redis: whether a login stands is a matter of the grant
// in Vault either way.
func (c config) sessions() fx.Option {
	if c.Redis == nil {
		return fx.Options(fxmodule.Option(middleware.WithCookieSessions()), fx.Provide(func() *redis.Client { return nil }))
	}
	return fx.Provide(newRedis, newSessions)
}

// impatient bounds what a Redis that hangs costs a page: two tries of a second each, where REDIS_URL says nothing else. By
// go-redis' own settings it is a multiple of that, and requests pile up.
func impatient(o redis.Options) *redis.Options {
	o.DialTimeout = cmp.Or(o.DialTimeout, time.Second)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, time.Second) // WriteTimeout follows it.
	o.PoolTimeout = cmp.Or(o.PoolTimeout, time.Second)
	o.MaxRetries = cmp.Or(o.MaxRetries, 1)
	o.DialerRetries = cmp.Or(o.DialerRetries, 1)
	return &o
}

func newRedis(lc fx.Lifecycle, c config) *redis.Client {
	client := redis.NewClient(impatient(*c.Redis))
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if err := client.Ping(ctx).Err(); err != nil {
				return fmt.Errorf("redis at %s does not answer, check REDIS_URL: %w", c.Redis.Addr, err)
			}
			return nil
		},
		OnStop: func(context.Context) error { return client.Close() },
	})
	return client
}

func newSessions(client *redis.Client, c config) *scs.SessionManager {
	m := scs.New()
	m.Store = goredisstore.NewWithPrefix(client, "production:session:")
	m.Lifetime = middleware.DefaultSessionLifetime
	m.HashTokenInStore = true
	m.Cookie.Name = "session"
	m.Cookie.HttpOnly, m.Cookie.SameSite = true, http.SameSiteLaxMode
	if m.Cookie.Secure = strings.HasPrefix(c.GitHub.RedirectURL, "https://"); m.Cookie.Secure {
		m.Cookie.Name = "__Host-session" // Which no sub-domain can plant.
	}
	return m
}
