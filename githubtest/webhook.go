package githubtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what GitHub sends
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Delivery is a webhook that was sent.
type Delivery struct {
	// Time is when it was sent.
	Time time.Time
	// ID is the value of X-GitHub-Delivery.
	ID string
	// Event is the value of X-GitHub-Event.
	Event string
	// ClientID is the app whose webhook it is.
	ClientID string
	// UserID is the sender's.
	UserID int64
	// Status is the receiver's answer, 0 if there was none.
	Status int
	// Err says why there was no answer.
	Err error
	// Redelivery is set if it was sent before: see [Server.Redeliver].
	Redelivery bool

	body []byte
}

// WithWebhookTransport sends webhooks through rt in place of real sockets, for tests in a
// testing/synctest bubble.
func WithWebhookTransport(rt http.RoundTripper) Option {
	return func(s *Server) { s.hooks.Transport = rt }
}

// newHookClient returns the client for webhooks. GitHub waits ten seconds for the answer (GitHub
// docs, Best practices for using webhooks) and follows no redirects.
func newHookClient() *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RevokeUser does what a user does in the settings by "Revoke access": all tokens of the user at
// the app die, and the next sign-in shows the authorize page again, unless [Server.SignInAs] is set:
// that authorizes the app anew, so unset it to see who withdrew stay out. A GitHub App with a webhook
// gets a signed github_app_authorization event, and RevokeUser returns when that was answered;
// OAuth Apps are not told. It panics on an unknown client id or user.
func (s *Server) RevokeUser(clientID string, userID int64) {
	a, payload := s.revoke(clientID, userID)
	if a.Kind == GitHubApp && a.WebhookURL != "" {
		s.deliver(a, userID, "github_app_authorization", payload)
	}
}

// revoke drops the grant and returns the app and what its webhook says.
func (s *Server) revoke(clientID string, userID int64) (a app, payload map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a = *s.mustApp(clientID)
	u := s.users[userID]
	if u == nil {
		panic("githubtest: no user with id " + strconv.FormatInt(userID, 10))
	}
	s.dropGrant(clientID, userID)
	return a, map[string]any{"action": "revoked", "sender": s.simpleUser(u)}
}

// Deliveries returns the webhooks that were sent, oldest first.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deliveries)
}

// Redeliver sends a webhook once more, as an app's owner can do from GitHub's list of deliveries:
// with the same id and body, signed with the secret of now. GitHub sends nothing again by itself. It
// returns when the webhook was answered, and panics on an unknown id.
func (s *Server) Redeliver(id string) {
	a, d := s.delivered(id)
	d.Time, d.Redelivery = time.Now(), true
	s.send(a, d)
}

func (s *Server) delivered(id string) (app, Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.deliveries {
		if d.ID == id {
			return *s.mustApp(d.ClientID), d
		}
	}
	panic("githubtest: no delivery with id " + id)
}

// deliver sends one webhook.
func (s *Server) deliver(a app, userID int64, event string, payload any) {
	body, err := json.Marshal(payload)
	if err != nil {
		panic("githubtest: encode the payload: " + err.Error())
	}
	s.send(a, Delivery{Time: time.Now(), ID: newUUID(), Event: event, ClientID: a.ClientID, UserID: userID, body: body})
}

// send records how it went; s.mu must not be held, since the receiver may call the server.
func (s *Server) send(a app, d Delivery) {
	d.Status, d.Err = s.post(a, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = append(s.deliveries, d)
}

// post sends the request with the headers that GitHub documents (Webhook events and payloads,
// Delivery headers).
func (s *Server) post(a app, d Delivery) (status int, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, a.WebhookURL, bytes.NewReader(d.body))
	if err != nil {
		return 0, fmt.Errorf("webhook request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "GitHub-Hookshot/fake")
	req.Header.Set("X-GitHub-Delivery", d.ID)
	req.Header.Set("X-GitHub-Event", d.Event)
	req.Header.Set("X-GitHub-Hook-ID", "1")
	req.Header.Set("X-GitHub-Hook-Installation-Target-ID", strconv.FormatInt(a.id, 10))
	req.Header.Set("X-GitHub-Hook-Installation-Target-Type", "integration")
	if a.WebhookSecret != "" {
		req.Header.Set("X-Hub-Signature-256", "sha256="+sign(sha256.New, a.WebhookSecret, d.body))
		req.Header.Set("X-Hub-Signature", "sha1="+sign(sha1.New, a.WebhookSecret, d.body)) // For receivers from before 2020.
	}
	res, err := s.hooks.Do(req)
	if err != nil {
		return 0, fmt.Errorf("deliver the webhook: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	return res.StatusCode, nil
}

// sign returns a body's HMAC in hexadecimal.
func sign(h func() hash.Hash, secret string, body []byte) string {
	mac := hmac.New(h, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
