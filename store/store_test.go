package store_test

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

func TestNothingPrintsAValue(t *testing.T) {
	t.Parallel()
	s := memory.New()
	e := store.Entry{Value: []byte("ghu_secret")}
	if _, err := s.Put(t.Context(), "h/1", e); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text := fmt.Sprintf(strings.Repeat(verb+" ", 4), e, &e, []store.Entry{e}, s)
		for _, shown := range []string{"secret", fmt.Sprintf("%x", "secret"), "115 101 99 114"} {
			if strings.Contains(text, shown) {
				t.Errorf("%s shows the value: %s", verb, text)
			}
		}
	}
	logged := new(strings.Builder)
	slog.New(slog.NewJSONHandler(logged, nil)).Info("", "entry", e, "pointer", &e)
	if shown := base64.StdEncoding.EncodeToString(e.Value); strings.Contains(logged.String(), shown) || strings.Contains(logged.String(), "secret") {
		t.Errorf("a log in JSON shows the value: %s", logged)
	}
}

func ExampleEntry() {
	fmt.Println(store.Entry{Value: []byte("a token"), Version: "7"})
	// Output: {7 bytes, version "7", expires 0001-01-01 00:00:00 +0000 UTC}
}
