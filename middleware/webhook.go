package middleware

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

const (
	// revocationEvent is the event that tells of a withdrawn authorization, and revocationAction its one action.
	revocationEvent  = "github_app_authorization"
	revocationAction = "revoked"

	// maxDelivery is what GitHub sends at most, and maxRevocation far more than the few KB of a revocation (GitHub docs,
	// "Webhook events and payloads").
	maxDelivery   = 25 << 20
	maxRevocation = 256 << 10

	// GitHub waits ten seconds for an answer (GitHub docs, "Handling webhook deliveries"): four to send, four to ask it.
	deliveryTimeout = 4 * time.Second
	askTimeout      = 4 * time.Second
)

// Webhook returns a handler for a GitHub App's webhook, which hears of users who take the app's authorization back in
// their settings at GitHub: they are signed out everywhere, and their token is forgotten, even with [Config.KeepTokens]. GitHub
// sends this event to every GitHub App with an active webhook, and none to OAuth Apps: see
// [grant.Manager.VerifyAll].
//
// secret is the one on the app's page; while it is replaced, give both. One that is empty or has white space around it is
// an error. Mount the handler outside of [Authenticator.Require], at the path of the app's Webhook URL:
//
//	hook, err := auth.Webhook(oauth.NewSecret(os.Getenv("GITHUB_WEBHOOK_SECRET")))
//	...
//	mux.Handle("POST /webhooks/github", hook)
//
// A delivery without a valid X-Hub-Signature-256 gets 403, and nothing in it is looked at. A signed one is no more
// than a hint, since it can come late or twice: GitHub is asked about the stored token before anything is forgotten, so no
// delivery, however often it is sent, signs out a user who has signed in since, unless their token can't be refreshed any more,
// and they have to sign in again anyway. The answer is 204 when that is done, and 202
// when GitHub or the store does not answer within four seconds: then it goes on behind, see
// [grant.Manager.NoteRevoked]. Other events and actions get 204 and are ignored.
//
// [grant.EventForgotten] tells of each user, for the app's own data.
func (a *Authenticator) Webhook(secret oauth.Secret, more ...oauth.Secret) (http.Handler, error) {
	h := &webhook{auth: a}
	for i, s := range append([]oauth.Secret{secret}, more...) {
		text := s.Reveal()
		if text == "" || strings.TrimSpace(text) != text {
			return nil, fmt.Errorf("middleware: Webhook: secret %d of %d is empty or has white space around it: "+
				"set a random one as the Webhook secret on the app's page in GitHub's settings, and write the same one here", i+1, 1+len(more))
		}
		h.secrets = append(h.secrets, s)
	}
	return h, nil
}

type webhook struct {
	auth    *Authenticator
	secrets []oauth.Secret
	warned  sync.Once
}

// ServeHTTP implements [http.Handler].
func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "webhook deliveries are POSTs", http.StatusMethodNotAllowed)
		return
	}
	body, err := h.verified(w, r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if r.Header.Get("X-GitHub-Event") != revocationEvent {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	userID, err := revokedUser(r.Header.Get("Content-Type"), body)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if userID == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.auth.log.LogAttrs(r.Context(), slog.LevelInfo, "GitHub says that a user withdrew the app's authorization", slog.Int64("user_id", userID), delivery(r))
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	switch err := h.auth.grants.NoteRevoked(ctx, userID); {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case ctx.Err() != nil:
		w.WriteHeader(http.StatusAccepted)
	default:
		w.Header().Set("Retry-After", "60")
		http.Error(w, "not now: send it again from GitHub's list of deliveries in a minute", http.StatusServiceUnavailable)
	}
}

// deliveryError is what is wrong with a delivery, for GitHub's list of deliveries and for the log.
type deliveryError struct {
	status int
	text   string
}

func (e *deliveryError) Error() string { return e.text }

// verified returns the body of a revocation, or no body of another event, if one of the secrets signed it. What is
// larger than a revocation passes through the signature without being kept.
func (h *webhook) verified(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// Whoever sends a byte a minute does not keep the connection, neither for this nor for the rest of a body that is refused,
	// which the server still reads before it answers. Where it can't do that, its ReadTimeout has to.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(deliveryTimeout))
	signature := r.Header.Values("X-Hub-Signature-256")
	if len(signature) != 1 || len(signature[0]) != signatureLength {
		return nil, &deliveryError{http.StatusForbidden, "it is not signed in X-Hub-Signature-256: set a Webhook secret on the app's page"}
	}
	var (
		kept bytes.Buffer
		macs []hash.Hash
		to   []io.Writer
		most = int64(maxDelivery)
	)
	for _, secret := range h.secrets {
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		macs, to = append(macs, mac), append(to, mac)
	}
	if r.Header.Get("X-GitHub-Event") == revocationEvent {
		most, to = maxRevocation, append(to, &kept)
	}
	if _, err := io.Copy(io.MultiWriter(to...), http.MaxBytesReader(w, r.Body, most)); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, &deliveryError{http.StatusRequestEntityTooLarge, "larger than any such delivery"}
		}
		return nil, &deliveryError{http.StatusBadRequest, "the body did not arrive"}
	}
	_ = rc.SetReadDeadline(time.Time{}) // It is there. Left standing, it would end the request's context.
	signed := false
	for _, mac := range macs { // All of them: the time must not tell which one it was.
		if hmac.Equal([]byte(signatureOf(mac)), []byte(signature[0])) {
			signed = true
		}
	}
	if !signed {
		return nil, &deliveryError{http.StatusForbidden, "X-Hub-Signature-256 does not match: compare the Webhook secret here with that on the app's page"}
	}
	return kept.Bytes(), nil
}

// signatureLength is that of an X-Hub-Signature-256.
const signatureLength = len("sha256=") + 2*sha256.Size

func signatureOf(mac hash.Hash) string { return "sha256=" + hex.EncodeToString(mac.Sum(nil)) }

// revokedUser reads a revocation, and returns the number of the user whose it is; 0 if it is about something else. GitHub
// sends what the app's page says: JSON, or a form that holds the same.
func revokedUser(contentType string, body []byte) (int64, error) {
	switch media, _, _ := mime.ParseMediaType(contentType); media {
	case "application/json":
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil || len(form["payload"]) != 1 {
			return 0, &deliveryError{http.StatusBadRequest, "the form holds no payload"}
		}
		body = []byte(form["payload"][0])
	default:
		return 0, &deliveryError{http.StatusUnsupportedMediaType, "the content type is neither application/json nor application/x-www-form-urlencoded"}
	}
	var event struct {
		Action string          `json:"action"`
		Sender json.RawMessage `json:"sender"`
	}
	if json.Unmarshal(body, &event) != nil {
		return 0, &deliveryError{http.StatusBadRequest, "the payload can't be read"}
	}
	if event.Action != revocationAction {
		return 0, nil
	}
	var sender struct {
		ID int64 `json:"id"`
	}
	if json.Unmarshal(event.Sender, &sender) != nil || sender.ID <= 0 {
		return 0, &deliveryError{http.StatusBadRequest, "the sender has no numeric id"}
	}
	return sender.ID, nil
}

// refuse says why, to GitHub's list of deliveries and once to the log: strangers must not be able to fill that.
func (h *webhook) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadRequest
	if e, ok := errors.AsType[*deliveryError](err); ok {
		status = e.status
	}
	level := slog.LevelDebug
	h.warned.Do(func() { level = slog.LevelWarn })
	h.auth.log.LogAttrs(r.Context(), level, "a webhook delivery was refused; more of these are told of at level debug", slog.String("why", err.Error()), delivery(r))
	http.Error(w, err.Error(), status)
}

// delivery names a delivery as GitHub lists it. The name is not signed.
func delivery(r *http.Request) slog.Attr {
	name := r.Header.Get("X-GitHub-Delivery")
	return slog.String("delivery", name[:min(len(name), 64)])
}
