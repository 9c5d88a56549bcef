package benchmarks

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/vault"
)

func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }

func newManager(tb testing.TB, st store.Store, gh http.RoundTripper, opts ...grant.Option) *grant.Manager {
	tb.Helper()
	cfg := oauth.Config{ClientID: clientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(clientSecret)}, RedirectURL: callbackURL}
	app, err := oauth.New(cfg, oauth.WithHTTPClient(&http.Client{Transport: gh}))
	if err != nil {
		tb.Fatal(err)
	}
	m, err := grant.New(app, st, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 30*time.Second)
		defer cancel()
		_ = m.Close(ctx)
	})
	return m
}

func signIn(tb testing.TB, m *grant.Manager) grant.Session {
	tb.Helper()
	s, _, err := m.SignIn(tb.Context(), "0123456789abcdef", oauth.NewSecret("a-verifier"), grant.Login{Lifetime: 24 * time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// fill puts grants of users 1000000 and on into st: what a sign-in stores, with each user's own number. It returns the bytes of
// one.
func fill(tb testing.TB, st store.Store, n int) int {
	tb.Helper()
	const model = 1_000_000
	scratch := memory.New()
	signIn(tb, newManager(tb, scratch, &github{user: model}))
	e, err := scratch.Get(tb.Context(), "github.com/"+strconv.Itoa(model))
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		id := strconv.Itoa(model + i)
		value := bytes.ReplaceAll(e.Value, []byte(strconv.Itoa(model)), []byte(id))
		if _, err := st.Put(tb.Context(), "github.com/"+id, store.Entry{Value: value, Expires: e.Expires}); err != nil {
			tb.Fatal(err)
		}
	}
	return len(e.Value)
}

var counts = []int{1_000, 10_000, 100_000, 1_000_000}

// BenchmarkToken takes the tokens of users at random: of a thousand who are active, and of all who have a grant.
func BenchmarkToken(b *testing.B) {
	for _, n := range counts {
		before := heap()
		st := memory.New()
		fill(b, st, n)
		perGrant := (heap() - before) / float64(n)
		for _, active := range slices.Compact([]int{1_000, n}) {
			b.Run(fmt.Sprintf("grants=%d/active=%d", n, active), func(b *testing.B) {
				m := newManager(b, st, &github{})
				for i := range min(active, 20_000) {
					_, _ = m.Token(b.Context(), int64(1_000_000+i))
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := m.Token(b.Context(), 1_000_000+rand.Int64N(int64(active))); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(perGrant, "B/grant")
			})
		}
		b.Run(fmt.Sprintf("grants=%d/signin", n), func(b *testing.B) {
			signIns(b, st)
		})
		runtime.KeepAlive(st)
	}
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkVault is what the number of grants means to a real Vault: one read past what is remembered, and one sign-in.
func BenchmarkVault(b *testing.B) {
	v := vaulttest.Start(b)
	mount := v.Mount(b)
	policy, err := os.ReadFile("../store/vault/app.hcl")
	if err != nil {
		b.Fatal(err)
	}
	// What an app may do, and to delete, for what a run leaves behind.
	policy = append(policy, "path \"ghlogin/metadata/grants/*\" { capabilities = [\"delete\"] }\n"...)
	token := v.Policy(b, string(bytes.ReplaceAll(policy, []byte(`"ghlogin/`), []byte(`"`+mount+`/`))))
	st, err := vault.Open(b.Context(), vault.Config{Address: v.Address, Mount: mount}, vault.Token(token))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close(context.WithoutCancel(b.Context())) })
	for _, n := range counts[:2] {
		size := fill(b, offset{st, n}, n)
		b.Run(fmt.Sprintf("grants=%d/token", n), func(b *testing.B) {
			m := newManager(b, offset{st, n}, &github{}, grant.WithStaleness(0))
			for b.Loop() {
				if _, err := m.Token(b.Context(), 1_000_000+rand.Int64N(int64(n))); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size), "B/grant")
		})
		b.Run(fmt.Sprintf("grants=%d/signin", n), func(b *testing.B) {
			signIns(b, offset{st, n})
		})
	}
}

// signIns measures sign-ins of users who have no grant yet, and leaves none behind: the next run would meet users who are known,
// and more grants than its name says.
func signIns(b *testing.B, st store.Store) {
	b.Helper()
	gh := &github{}
	m := newManager(b, st, gh)
	b.ReportAllocs()
	for b.Loop() {
		signIn(b, m)
	}
	for id := range gh.users.Load() {
		if err := st.Delete(b.Context(), "github.com/"+strconv.FormatInt(id+1, 10)); err != nil {
			b.Fatal(err)
		}
	}
}

// offset keeps the grants of one round of BenchmarkVault apart from another's.
type offset struct {
	store.Store
	round int
}

func (o offset) at(key string) string { return key + strconv.Itoa(o.round) }

func (o offset) Get(ctx context.Context, key string) (store.Entry, error) {
	return o.Store.Get(ctx, o.at(key))
}

func (o offset) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	return o.Store.Put(ctx, o.at(key), e)
}

func (o offset) Delete(ctx context.Context, key string) error {
	return o.Store.Delete(ctx, o.at(key))
}
