package oauth_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/oauth"
)

const hidden = "hush-hush-0123456789"

// owner keeps secrets as programs do: where fmt can call their methods, and where it can't.
type owner struct {
	Public  oauth.Secret
	Pointer *oauth.Secret
	List    []oauth.Secret
	private oauth.Secret
	nested  struct{ token oauth.Token }
	config  oauth.Config
	any     any
}

func newOwner() owner {
	s := oauth.NewSecret(hidden)
	o := owner{Public: s, Pointer: &s, List: []oauth.Secret{s}, private: s, any: s}
	o.nested.token = oauth.Token{AccessToken: s, RefreshToken: s}
	o.config = oauth.Config{ClientSecrets: []oauth.Secret{s}}
	return o
}

func newHidingClient(t *testing.T) *oauth.Client {
	t.Helper()
	client, err := oauth.New(oauth.Config{
		ClientID: clientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(hidden)}, RedirectURL: "https://app.example/callback",
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	o := newOwner()
	values := map[string]any{
		"secret": o.Public, "pointer": o.Pointer, "list": o.List, "map": map[string]oauth.Secret{"k": o.Public},
		"struct": o, "struct pointer": &o, "token": o.nested.token, "config": o.config, "client": newHidingClient(t),
		"authorize": oauth.Authorize{Verifier: o.Public},
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for verb := 'A'; verb <= 'z'; verb++ {
				for _, flags := range []string{"", "+", "#", "-", " ", "0", "3", ".3", "+#"} {
					format := "%" + flags + string(verb)
					shows(t, format, fmt.Sprintf(format, value))
				}
			}
			shows(t, "Sprint", fmt.Sprint(value))
			shows(t, "Errorf", fmt.Errorf("no: %v", value).Error())
			if text, err := json.Marshal(value); err == nil {
				shows(t, "json", string(text))
			}
			if text, err := xml.Marshal(value); err == nil {
				shows(t, "xml", string(text))
			}
			var out bytes.Buffer
			if err := gob.NewEncoder(&out).Encode(value); err == nil {
				shows(t, "gob", out.String())
			}
			for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				slog.New(handler).Info("x", "value", value, slog.Group("g", "value", value))
			}
			shows(t, "slog", out.String())
		})
	}
}

// shows fails the test if text shows the hidden text, also in hexadecimal or quoted.
func shows(t *testing.T, how, text string) {
	t.Helper()
	lower := strings.ToLower(text)
	for _, form := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("% x", hidden), fmt.Sprintf("%v", []byte(hidden))} {
		if strings.Contains(lower, form) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
}

func TestSecretPrintsAsRedactedAlsoWhenEmpty(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]oauth.Secret{"full": oauth.NewSecret(hidden), "empty": {}} {
		text, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		for how, got := range map[string]string{
			"%v": fmt.Sprintf("%v", s), "%d": fmt.Sprintf("%d", s), "%#v": fmt.Sprintf("%#v", s), "String": s.String(),
			"GoString": s.GoString(), "text": string(text), "json": strings.Trim(string(encoded), `"`), "slog": s.LogValue().String(),
		} {
			if got != "REDACTED" {
				t.Errorf("%s secret, %s: %q, want REDACTED", name, how, got)
			}
		}
	}
}

func TestSecretEqual(t *testing.T) {
	t.Parallel()
	a, empty := oauth.NewSecret("a"), oauth.NewSecret("")
	for _, tt := range []struct {
		name string
		x, y oauth.Secret
		want bool
	}{
		{"same text", a, oauth.NewSecret("a"), true},
		{"other text", a, oauth.NewSecret("b"), false},
		{"longer text", a, oauth.NewSecret("aa"), false},
		{"empty and full", empty, a, false},
		{"full and empty", a, empty, false},
		{"both empty, so that a value nobody set passes no check", empty, oauth.Secret{}, false},
	} {
		if got := tt.x.Equal(tt.y); got != tt.want {
			t.Errorf("%s: Equal is %v, want %v", tt.name, got, tt.want)
		}
	}
	if !empty.IsZero() || a.IsZero() || a.Reveal() != "a" || empty.Reveal() != "" {
		t.Error("IsZero or Reveal is wrong")
	}
}

func TestSecretIsReadFromConfiguration(t *testing.T) {
	t.Parallel()
	var cfg struct{ Secret, None oauth.Secret }
	if err := json.Unmarshal([]byte(`{"Secret":"from a file","None":""}`), &cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Secret.Reveal() != "from a file" || !cfg.None.IsZero() {
		t.Errorf("read %q and %q", cfg.Secret.Reveal(), cfg.None.Reveal())
	}
}

func TestSecretThatAnEncoderWroteIsNotReadBack(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(held())
	if err != nil {
		t.Fatal(err)
	}
	var lost oauth.Token
	if err := json.Unmarshal(data, &lost); err == nil {
		t.Errorf("read %q as a token: its loss would show only at GitHub", lost.AccessToken.Reveal())
	}
}
