package vault

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Defaults of [Config].
const (
	// DefaultMount is where the KV version 2 engine is mounted.
	DefaultMount = "ghlogin"
	// DefaultPrefix is the folder of the grants below it.
	DefaultPrefix = "grants"
	// DefaultTimeout bounds each call. vault/api's own is a minute, for which no request can wait.
	DefaultTimeout = 3 * time.Second
)

// Config says which Vault, and where in it. Nothing is read from the environment, except by
// [ConfigFromEnv], and HTTPS_PROXY and its like as by all of net/http.
type Config struct {
	// Address is Vault's, for example "https://vault.example.com:8200". For [Open] alone.
	Address string

	// AllowPlainHTTP lets Address be http on another host than loopback: tokens then go over the
	// network in the clear. For [Open] alone.
	AllowPlainHTTP bool

	// Namespace is Vault Enterprise's. The community edition ignores it in silence, which
	// [Store.Ping] finds out. For [Open] alone.
	Namespace string

	// CACertFile is a PEM file of who signs Vault's certificate; empty takes the system's. For [Open]
	// alone.
	CACertFile string

	// TLSServerName is the name to look for in Vault's certificate, if it is not Address's. For
	// [Open] alone.
	TLSServerName string

	// Mount is the path of a KV version 2 engine; empty is [DefaultMount].
	Mount string

	// Prefix is a folder in it, one per app; empty is [DefaultPrefix].
	Prefix string

	// Timeout bounds each call of Vault; zero is [DefaultTimeout].
	Timeout time.Duration
}

// ConfigFromEnv reads what Vault's own tools read, for those who want it: VAULT_ADDR,
// VAULT_NAMESPACE, VAULT_CACERT, VAULT_TLS_SERVER_NAME and VAULT_TOKEN, which becomes the [Login].
// Mount and Prefix come from GHLOGIN_VAULT_MOUNT and GHLOGIN_VAULT_PREFIX. The error names all that is
// missing or wrong.
func ConfigFromEnv() (Config, Login, error) {
	cfg := Config{
		Address:       os.Getenv("VAULT_ADDR"),
		Namespace:     os.Getenv("VAULT_NAMESPACE"),
		CACertFile:    os.Getenv("VAULT_CACERT"),
		TLSServerName: os.Getenv("VAULT_TLS_SERVER_NAME"),
		Mount:         os.Getenv("GHLOGIN_VAULT_MOUNT"),
		Prefix:        os.Getenv("GHLOGIN_VAULT_PREFIX"),
	}
	var problems []error
	if cfg.Address == "" {
		problems = append(problems, errors.New("VAULT_ADDR is not set: it is Vault's address, such as https://vault.example.com:8200"))
	} else if err := cfg.validateAddress(); err != nil {
		problems = append(problems, fmt.Errorf("VAULT_ADDR: %w", err))
	}
	token := os.Getenv("VAULT_TOKEN")
	if token == "" {
		problems = append(problems, errors.New("VAULT_TOKEN is not set: it is a token with the policy in store/vault/app.hcl"))
	}
	if err := cfg.validatePaths(); err != nil {
		problems = append(problems, fmt.Errorf("GHLOGIN_VAULT_MOUNT, GHLOGIN_VAULT_PREFIX: %w", err))
	}
	return cfg, Token(token), errors.Join(problems...)
}

// Validate returns all that is wrong with c for [Open] and [Prepare], which ask it themselves: for a program that wants to say
// it together with what else is wrong with its settings.
func (c Config) Validate() error {
	return errors.Join(c.validateAddress(), c.validatePaths())
}

func (c Config) withDefaults() Config {
	c.Mount = cmp.Or(c.Mount, DefaultMount)
	c.Prefix = cmp.Or(c.Prefix, DefaultPrefix)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	return c
}

var pathName = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)

func (c Config) validatePaths() error {
	var problems []error
	d := c.withDefaults()
	for _, p := range []struct{ field, path string }{{"Mount", d.Mount}, {"Prefix", d.Prefix}} {
		if !pathName.MatchString(p.path) || hasDots(p.path) {
			problems = append(problems, fmt.Errorf("%s is %q: write a path without slashes at its ends, such as %s", p.field, p.path, DefaultMount))
		}
	}
	if d.Timeout < 0 {
		problems = append(problems, fmt.Errorf("the timeout is %v: write more than zero, or zero for %v", d.Timeout, DefaultTimeout))
	}
	return errors.Join(problems...)
}

func (c Config) validateAddress() error {
	u, err := url.Parse(c.Address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || (u.Scheme != "https" && u.Scheme != "http"):
		return errors.New("the address is not one of a Vault: write scheme, host and port, such as https://vault.example.com:8200")
	case u.Scheme == "http" && !c.AllowPlainHTTP && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback():
		return fmt.Errorf("http would send every token in the clear: write https://%s", u.Host)
	}
	return nil
}

// hasDots finds what path cleaning in vault/api would resolve: a key must not lead out of its prefix.
func hasDots(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// newClient makes a client with these settings and no others. vault/api reads some two dozen
// variables of the environment on its own: a VAULT_TOKEN or VAULT_SKIP_VERIFY that was meant for a
// person's shell must not reach a server's.
func (c Config) newClient() (*api.Client, error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		transport = &http.Transport{}
	}
	transport = transport.Clone()
	transport.MaxIdleConnsPerHost = 64                                    // All calls go to one host.
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12} // Whatever the program does about other certificates.
	cfg := &api.Config{
		Address: c.Address,
		HttpClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // As vault/api wants it.
		},
		Timeout:        c.Timeout,
		MaxRetries:     0, // A write that is sent again after its answer got lost conflicts with itself.
		ReadYourWrites: true,
	}
	if err := cfg.ConfigureTLS(&api.TLSConfig{CACert: c.CACertFile, TLSServerName: c.TLSServerName}); err != nil {
		return nil, setupError("the TLS settings can't be used: check CACertFile", err)
	}
	client, err := api.NewClient(cfg)
	if err != nil {
		return nil, setupError("the client can't be made: check the address, and for malformed VAULT_ variables in the environment", err)
	}
	client.ClearToken()
	client.ClearNamespace()
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	if c.Namespace != "" {
		client.SetNamespace(c.Namespace)
	}
	return client, nil
}
