package sealed_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/sealed"
)

func TestParseKeyReadsWhatOpensslPrints(t *testing.T) {
	t.Parallel()
	text := base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrstuv"))
	for _, form := range []string{text, text + "\n", " " + text + "\r\n"} {
		key, err := sealed.ParseKey(form)
		if err != nil {
			t.Errorf("ParseKey(%q) = %v", form, err)
			continue
		}
		again, err := sealed.ParseKey(text)
		if err != nil || key.ID() != again.ID() || len(key.ID()) != 8 {
			t.Errorf("ids of one key: %q and %q, %v", key.ID(), again.ID(), err)
		}
	}
}

// A value sealed by one release must open with the next: the id and the cipher's key are derived the
// same way for ever.
func TestFormatOneIsReadForEver(t *testing.T) {
	t.Parallel()
	key, err := sealed.ParseKey(base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrstuv")))
	if err != nil {
		t.Fatal(err)
	}
	const stored = `{"sealed":1,"key":"e90a1969","box":"o3I8v1qOmtbG/3n1NIlILDjEAzUxljWGhgYTX1fGCvBQlyo="}`
	inner := memory.New()
	put(t, inner, octocat, stored)
	if got := get(t, seal(t, inner, key), octocat).Value; string(got) != "a token" {
		t.Errorf("opened %q", got)
	}
}

func TestParseKeyRefusesAndSaysHowToMakeAKey(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":             "",
		"blank":             " \n",
		"short":             base64.StdEncoding.EncodeToString([]byte("hush-hush-0123")),
		"long":              base64.StdEncoding.EncodeToString([]byte(strings.Repeat("hush-hush-", 4))),
		"hexadecimal":       hex.EncodeToString([]byte("hush-hush-0123456789abcdefghijkl")),
		"no base64":         "hush-hush, this is a passphrase",
		"url-safe base64":   "____________________________________________",
		"all zero":          base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"one byte 32 times": base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'x'}, 32)),
	} {
		key, err := sealed.ParseKey(text)
		if err == nil || key.ID() != "" {
			t.Errorf("%s: ParseKey = %v, %v, want an error", name, key, err)
			continue
		}
		if !strings.Contains(err.Error(), "openssl rand -base64 32") {
			t.Errorf("%s: the error does not say how to make a key: %v", name, err)
		}
		if trimmed := strings.TrimSpace(text); trimmed != "" && strings.Contains(err.Error(), trimmed[:4]) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestNewKeysDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"": true}
	for range 100 {
		id := newKey(t).ID()
		if seen[id] {
			t.Fatalf("id %q is empty or came twice", id)
		}
		seen[id] = true
	}
}

// holder keeps keys and stores as programs do: where fmt can call their methods, and where it can't.
type holder struct {
	Key     sealed.Key
	Keys    []sealed.Key
	private sealed.Key
	pointer *sealed.Key
	store   sealed.Store
	any     any
}

func TestNothingPrintsAKeyOrAValue(t *testing.T) {
	t.Parallel()
	const raw = "hush-hush-0123456789abcdefghijkl"
	text := base64.StdEncoding.EncodeToString([]byte(raw))
	key, err := sealed.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	inner, plain := memory.New(), memory.New()
	s := seal(t, inner, key)
	put(t, s, octocat, raw)
	put(t, inner, "github.com/2", string(get(t, inner, octocat).Value))
	put(t, plain, octocat, raw)
	values := map[string]any{
		"key": key, "pointer": &key, "list": []sealed.Key{key}, "store": s,
		"holder":  holder{key, []sealed.Key{key}, key, &key, s, key},
		"plain":   wantOpenError(t, seal(t, plain, key), octocat, sealed.ReasonPlain),
		"damaged": wantOpenError(t, s, "github.com/2", sealed.ReasonDamaged),
		"unknown": wantOpenError(t, seal(t, inner, newKey(t)), octocat, sealed.ReasonUnknownKey),
	}
	for name, value := range values {
		var out bytes.Buffer
		for _, verb := range verbs() {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("x", "value", value)
		}
		printed := strings.ToLower(out.String())
		for _, form := range []string{raw[:9], strings.ToLower(text[:9]), hex.EncodeToString([]byte(raw[:9])), "104 117 115 104 45 104"} {
			if strings.Contains(printed, form) {
				t.Errorf("%s shows the key or the value as %q", name, form)
			}
		}
	}
}

// Inside a private field fmt calls no method, and with a verb that fits nothing it follows a pointer:
// the cipher, with the key's schedule in it, must lie deeper than that.
func TestKeyInAPrivateFieldShowsNoCipher(t *testing.T) {
	t.Parallel()
	value := struct{ private sealed.Key }{newKey(t)}
	for _, verb := range verbs() {
		if got := fmt.Sprintf(verb, value); len(got) > 250 {
			t.Errorf("%s shows %d bytes: %s", verb, len(got), got)
		}
	}
}

func verbs() []string {
	var all []string
	for verb := 'A'; verb <= 'z'; verb++ {
		for _, flags := range []string{"", "+", "#", " ", "3"} {
			all = append(all, "%"+flags+string(verb))
		}
	}
	return all
}

func TestKeyPrintsAsItsId(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	encoded, err := json.Marshal(map[string]sealed.Key{"key": key, "zero": {}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"key":"key ` + key.ID() + `","zero":"no key"}`
	if got := string(encoded); got != want {
		t.Errorf("json = %s, want %s", got, want)
	}
	for _, got := range []string{fmt.Sprint(key), fmt.Sprintf("%#v", key), fmt.Sprintf("%x", key), key.String()} {
		if got != "key "+key.ID() {
			t.Errorf("printed %q", got)
		}
	}
}
