package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/store"
)

// Store is a [store.Store], [store.Lister] and [store.Pinger] in Vault's KV version 2. It is safe for
// concurrent use. Make one with [New] or [Open].
type Store struct {
	client *api.Client
	cfg    Config
	tel    telemetry
	keeper *keeper // Nil for a client that is the app's.
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Lister = (*Store)(nil)
	_ store.Pinger = (*Store)(nil)
)

// New returns a store on a client that the app has made, logged in and keeps logged in. Of cfg only
// Mount, Prefix and Timeout count. It makes no call: see [Store.Ping].
//
// The client may be shared. Its own timeout and retries go on to count; a write that it sends again
// after its answer got lost is recognized.
func New(client *api.Client, cfg Config, opts ...Option) (*Store, error) {
	if client == nil {
		return nil, errors.New("vault: New: the client is nil")
	}
	return newStore(client, cfg, opts)
}

func newStore(client *api.Client, cfg Config, opts []Option) (*Store, error) {
	if err := cfg.validatePaths(); err != nil {
		return nil, fmt.Errorf("vault: the configuration can't be used:\n%w", err)
	}
	o := defaultOptions()
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("vault: an option is nil")
		}
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	tel, err := newTelemetry(o)
	if err != nil {
		return nil, fmt.Errorf("vault: the meter provider refused an instrument: %w", err)
	}
	return &Store{client: client, cfg: cfg.withDefaults(), tel: tel}, nil
}

// Format prints nothing of the client, under every verb.
func (s Store) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "vault.Store{%s/%s}", s.cfg.Mount, s.cfg.Prefix)
}

// secret is an entry as it stands in Vault: text that an operator can read.
type secret struct {
	Value    string `json:"value"`
	Encoding string `json:"encoding,omitempty"` // "base64" where the value is no text.
	Expires  string `json:"expires,omitempty"`  // RFC 3339.

	// WriteID is random with each write. After a conflict it tells one's own write, whose answer
	// got lost on the way, from another's.
	WriteID string `json:"write_id"`
}

// found is what stands at a path.
type found struct {
	secret  secret
	version int64
	deleted bool // By hand, with `vault kv delete`: the version goes on counting.
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key string) (e store.Entry, err error) {
	ctx, done := s.tel.begin(ctx, "get")
	defer func() { done(err) }()
	path, err := s.path("data", key)
	if err != nil {
		return store.Entry{}, err
	}
	now, err := s.read(ctx, path)
	if err != nil {
		return store.Entry{}, err
	}
	if now.deleted {
		return store.Entry{}, store.ErrNotFound
	}
	return now.entry()
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, key string, e store.Entry) (version string, err error) {
	ctx, done := s.tel.begin(ctx, "put")
	defer func() { done(err) }()
	path, err := s.path("data", key)
	if err != nil {
		return "", err
	}
	var cas int64 // 0 is Vault's word for "nothing there".
	if e.Version != "" {
		if cas, err = strconv.ParseInt(e.Version, 10, 64); err != nil || cas < 1 {
			return "", store.ErrConflict // No version of ours, so not what is there.
		}
	}
	written := newSecret(e)
	n, err := s.write(ctx, path, written, cas)
	if errors.Is(err, store.ErrConflict) {
		n, err = s.afterConflict(ctx, path, written, cas)
	}
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(n, 10), nil
}

// afterConflict looks whether a mismatch is what it seems.
func (s *Store) afterConflict(ctx context.Context, path string, written secret, cas int64) (int64, error) {
	now, err := s.read(ctx, path)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, store.ErrConflict
	case err != nil:
		return 0, err
	case now.secret.WriteID == written.WriteID:
		return now.version, nil // Our own: it was sent again after its answer got lost.
	case cas == 0 && now.deleted:
		// Whoever ran `vault kv delete` wanted nothing there, and neither does the caller; but Vault
		// goes on counting, and would answer "mismatch" to every new sign-in of this user.
		return s.write(ctx, path, written, now.version)
	}
	return 0, store.ErrConflict
}

// Delete implements [store.Store]: it removes the metadata and every version. Vault then counts
// versions from 1 again. It needs the policy in sweep.hcl.
func (s *Store) Delete(ctx context.Context, key string) (err error) {
	ctx, done := s.tel.begin(ctx, "delete")
	defer func() { done(err) }()
	path, err := s.path("metadata", key)
	if err != nil {
		return err
	}
	return s.call(ctx, func(ctx context.Context) error {
		// Raw: vault/api's Delete takes a 404 without a body for success.
		resp, err := s.client.Logical().DeleteRawWithContext(ctx, path)
		closeBody(resp)
		return err
	})
}

var keyForm = regexp.MustCompile(`^[A-Za-z0-9._:-]+(/[A-Za-z0-9._:-]+)*$`)

// path is where a key stands. vault/api cleans paths, so that "a/../b" would be somebody else's.
func (s *Store) path(kind, key string) (string, error) {
	if len(key) > 255 || !keyForm.MatchString(key) || hasDots(key) {
		return "", errors.New("vault: the key is none that the contract of package store allows")
	}
	return s.cfg.Mount + "/" + kind + "/" + s.cfg.Prefix + "/" + key, nil
}

func (s *Store) read(ctx context.Context, path string) (f found, err error) {
	var answer struct {
		WrapInfo *struct{} `json:"wrap_info"`
		Data     struct {
			Data     *secret `json:"data"`
			Metadata struct {
				Version int64 `json:"version"`
			} `json:"metadata"`
		} `json:"data"`
	}
	err = s.call(ctx, func(ctx context.Context) error {
		status, err := s.get(ctx, path, nil, &answer)
		if status == http.StatusNotFound && answer.Data.Data == nil && answer.Data.Metadata.Version != 0 {
			return nil // A deleted secret is a 404 too, but one that says which version it had.
		}
		return err
	})
	switch {
	case err != nil:
		return found{}, err
	case answer.WrapInfo != nil:
		return found{}, setupError("it wraps its answers: unset VAULT_WRAP_TTL, or the client's wrapping function", nil)
	case answer.Data.Metadata.Version == 0:
		return found{}, setupError("the mount is no KV version 2 engine", nil)
	}
	f.version = answer.Data.Metadata.Version
	if f.deleted = answer.Data.Data == nil; !f.deleted {
		f.secret = *answer.Data.Data
	}
	return f, nil
}

func (s *Store) write(ctx context.Context, path string, v secret, cas int64) (version int64, err error) {
	body, err := json.Marshal(map[string]any{"data": v, "options": map[string]any{"cas": cas}})
	if err != nil {
		return 0, err
	}
	err = s.call(ctx, func(ctx context.Context) error {
		// Not WriteRaw: it ends the context before the answer is read, and with it the connection.
		answer, err := s.client.Logical().WriteBytesWithContext(ctx, path, body)
		if err != nil {
			return err
		}
		if answer != nil {
			number, _ := answer.Data["version"].(json.Number)
			version, _ = number.Int64()
		}
		return nil
	})
	if err == nil && version == 0 {
		err = setupError("the mount is no KV version 2 engine, or answers are wrapped", nil)
	}
	return version, err
}

func newSecret(e store.Entry) secret {
	v := secret{Value: string(e.Value), WriteID: rand.Text()}
	if !utf8.Valid(e.Value) {
		v.Value, v.Encoding = base64.StdEncoding.EncodeToString(e.Value), "base64"
	}
	if !e.Expires.IsZero() {
		v.Expires = e.Expires.UTC().Format(time.RFC3339Nano)
	}
	return v
}

func (f found) entry() (store.Entry, error) {
	e := store.Entry{Value: []byte(f.secret.Value), Version: strconv.FormatInt(f.version, 10)}
	var err error
	switch f.secret.Encoding {
	case "":
	case "base64":
		e.Value, err = base64.StdEncoding.DecodeString(f.secret.Value)
	default:
		return store.Entry{}, setupError("a secret there has an encoding that this version does not know; run one version of ghlogin, the newer, on all replicas", nil)
	}
	if err == nil && f.secret.Expires != "" {
		e.Expires, err = time.Parse(time.RFC3339Nano, f.secret.Expires)
	}
	if err != nil || f.secret.WriteID == "" {
		return store.Entry{}, setupError("a secret there was not written by ghlogin; give it a prefix of its own", nil)
	}
	return e, nil
}
