package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// defaultTimeout bounds each request. GitHub answers within a second or not at all, and a person waits.
const defaultTimeout = 10 * time.Second

// Config is what identifies an app to GitHub: the values on its page in GitHub's settings.
type Config struct {
	// Host is the GitHub that the app is registered at. The zero Host is github.com.
	Host Host

	// ClientID is the app's public name. It is not the app id of a GitHub App, which is a number.
	ClientID string

	// ClientSecrets are the app's secrets, of which one is enough. If GitHub refuses the first, the next
	// one is tried, so that a secret can be replaced without an outage: add the new one here, then delete
	// the old one at GitHub, then here.
	ClientSecrets []Secret

	// RedirectURL is where GitHub sends a visitor back to, as it is registered with the app. It uses
	// https, or http on a loopback host.
	RedirectURL string
}

// Validate returns all that is wrong with c in one error, or nil. It holds no secret's text.
func (c Config) Validate() error {
	var errs []error
	if c.Host != (Host{}) {
		errs = append(errs, c.Host.Validate())
	}
	switch id := c.ClientID; {
	case id == "":
		errs = append(errs, errors.New("client id: write the Client ID from the app's page in github's settings"))
	case strings.ContainsFunc(id, notToken):
		errs = append(errs, errors.New("client id: remove blanks, quotation marks and line breaks from it"))
	case len(id) < 12 && strings.Trim(id, "0123456789") == "":
		errs = append(errs, fmt.Errorf("client id: %s looks like a github app's App ID: write the Client ID, which is beside it", id))
	}
	if len(c.ClientSecrets) == 0 {
		errs = append(errs, errors.New("client secret: generate one on the app's page in github's settings"))
	}
	for i, secret := range c.ClientSecrets {
		if secret.IsZero() {
			errs = append(errs, fmt.Errorf("client secret %d of %d: it is empty", i+1, len(c.ClientSecrets)))
		} else if strings.ContainsFunc(secret.Reveal(), notToken) {
			errs = append(errs, fmt.Errorf("client secret %d of %d: remove blanks, quotation marks and line breaks from it", i+1, len(c.ClientSecrets)))
		}
	}
	if _, err := parseWeb(c.RedirectURL); err != nil {
		errs = append(errs, fmt.Errorf("redirect url: %w", err))
	}
	return errors.Join(errs...)
}

// notToken reports whether r can't be part of a client id, a secret, a scope or a token. Quotation marks
// are none of GitHub's: they come along from a file of settings.
func notToken(r rune) bool {
	return r <= ' ' || r > '~' || r == '"' || r == '\''
}

// Client calls GitHub's OAuth endpoints for one app. Make it with New and keep it. It is safe for
// concurrent use.
type Client struct {
	host        Host
	clientID    string
	secrets     []Secret
	redirectURL string
	timeout     time.Duration
	transport   http.RoundTripper

	// current is the index in secrets of the one that GitHub took last.
	current atomic.Int64
}

// New returns a Client for the app that cfg describes. The error names all that is wrong with cfg and
// the options.
func New(cfg Config, opts ...Option) (*Client, error) {
	o := options{timeout: defaultTimeout, transport: http.DefaultTransport}
	errs := []error{cfg.Validate()}
	for _, opt := range opts {
		errs = append(errs, opt(&o))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("oauth: %w", err)
	}
	if cfg.Host == (Host{}) {
		cfg.Host = GitHub()
	}
	return &Client{
		host:        cfg.Host,
		clientID:    cfg.ClientID,
		secrets:     slices.Clone(cfg.ClientSecrets),
		redirectURL: cfg.RedirectURL,
		timeout:     o.timeout,
		transport:   o.transport,
	}, nil
}

type options struct {
	timeout   time.Duration
	transport http.RoundTripper
}

// Option changes how a Client works.
type Option func(*options) error

// WithHTTPClient makes the Client send its requests through hc's Transport, for a proxy or private
// certificates. Nothing else of hc is used: not its Timeout (see WithTimeout), its Jar, or its
// CheckRedirect, since redirects are never followed. The Transport must not send a request again that
// failed: a refresh token works once.
func WithHTTPClient(hc *http.Client) Option {
	return func(o *options) error {
		if hc == nil {
			return errors.New("http client: it is nil: leave the option out for the default")
		}
		o.transport = http.DefaultTransport
		if hc.Transport != nil {
			o.transport = hc.Transport
		}
		return nil
	}
}

// WithTimeout bounds each request, from its start to the last byte of its answer. The default is 10
// seconds. A call sends more than one request only while GitHub refuses client secrets.
func WithTimeout(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("timeout: %s is not above zero: calls without an end would pile up", d)
		}
		o.timeout = d
		return nil
	}
}

// Host returns the GitHub that the app is registered at.
func (c *Client) Host() Host {
	return c.host
}

// ClientID returns the app's public name.
func (c *Client) ClientID() string {
	return c.clientID
}

// RedirectURL returns the address that GitHub sends visitors back to.
func (c *Client) RedirectURL() string {
	return c.redirectURL
}

// Format implements fmt.Formatter: whatever the verb, it writes whose client it is. Without it, fmt would
// read on into the transport and its connections while they are at work.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "oauth.Client{%s at %s}", c.clientID, c.host.Name)
}

// config returns the app's settings in the form of x/oauth2.
func (c *Client) config(secret Secret) *oauth2.Config {
	return &oauth2.Config{
		ClientID:     c.clientID,
		ClientSecret: secret.Reveal(),
		RedirectURL:  c.redirectURL,
		Endpoint: oauth2.Endpoint{
			AuthURL:  c.host.Web + "/login/oauth/authorize",
			TokenURL: c.host.Web + "/login/oauth/access_token",
			// By default x/oauth2 finds out which style an endpoint takes: it sends each request that
			// fails a second time. A refresh whose answer got lost would then come back as
			// bad_refresh_token, because the first one spent the token.
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// withSecrets calls try with one client secret after the other, until GitHub takes one. It starts with
// the one that worked last. Only a clear refusal of the secret leads to the next: after any other
// failure the request may have been carried out.
func (c *Client) withSecrets(try func(Secret) error) error {
	first := int(c.current.Load())
	var err error
	for i := range c.secrets {
		n := (first + i) % len(c.secrets)
		err = try(c.secrets[n])
		if err == nil {
			c.current.Store(int64(n))
			return nil
		}
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeIncorrectClientCredentials {
			return err
		}
	}
	return err
}
