package vault_test

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/vault"
)

// most is how many times as long as vault/api's own call one of the store may take.
const most = 1.05

// value is as large as a grant.
var value = strings.Repeat("x", 900)

// other is where vault/api's own calls read and write.
const other = "grants/github.com/1"

// BenchmarkGet reads by the store, in turns with the same read straight by vault/api.
func BenchmarkGet(b *testing.B) {
	s, kv := bench(b)
	if _, err := s.Put(b.Context(), key, store.Entry{Value: []byte(value)}); err != nil {
		b.Fatal(err)
	}
	takeTurns(b, func() error {
		_, err := s.Get(b.Context(), key)
		return err
	}, func() error {
		_, err := kv.Get(b.Context(), "grants/"+key)
		return err
	})
}

// BenchmarkPut writes by the store, in turns with the same write straight by vault/api.
func BenchmarkPut(b *testing.B) {
	s, kv := bench(b)
	version, number := "", 0
	takeTurns(b, func() (err error) {
		version, err = s.Put(b.Context(), key, store.Entry{Value: []byte(value), Version: version})
		return err
	}, func() error {
		now, err := kv.Put(b.Context(), other, map[string]any{"value": value, "write_id": rand.Text()}, api.WithCheckAndSet(number))
		if err == nil {
			number = now.VersionMetadata.Version
		}
		return err
	})
}

func bench(b *testing.B) (*vault.Store, *api.KVv2) {
	b.Helper()
	v := vaulttest.Start(b)
	mount := v.Mount(b)
	s, err := vault.Open(b.Context(), vault.Config{Address: v.Address, Mount: mount}, vault.Token(v.RootToken))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(b.Context()) })
	// As good a client as the store's own: that of vaulttest connects anew for each call.
	client, err := api.NewClient(&api.Config{Address: v.Address, HttpClient: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, Timeout: vault.DefaultTimeout})
	if err != nil {
		b.Fatal(err)
	}
	client.SetToken(v.RootToken)
	return s, client.KVv2(mount)
}

// takeTurns reports the medians of both and their ratio. A machine's speed drifts, so one call of each follows the
// other, and who goes first changes.
func takeTurns(b *testing.B, ours, theirs func() error) {
	b.Helper()
	calls := [2]func() error{ours, theirs}
	var took [2][]time.Duration
	for turn := 0; b.Loop(); turn++ {
		for i := range 2 {
			who := (turn + i) % 2
			start := time.Now()
			if err := calls[who](); err != nil {
				b.Fatal(err)
			}
			took[who] = append(took[who], time.Since(start))
		}
	}
	median := func(who int) float64 {
		slices.Sort(took[who])
		return float64(took[who][len(took[who])/2].Microseconds())
	}
	ratio := median(0) / median(1)
	b.ReportMetric(0, "ns/op") // That of both together says nothing.
	b.ReportMetric(median(0), "µs/store")
	b.ReportMetric(median(1), "µs/api")
	b.ReportMetric(ratio, "ratio")
	if n := len(took[0]); n >= 1000 && ratio > most {
		b.Errorf("the store takes %.3f times as long as vault/api, want at most %v", ratio, most)
	}
}
