package sealed_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/sealed"
)

// Two keys as `openssl rand -base64 32` prints them. Yours come from the environment or a file.
const (
	exampleKey    = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="
	exampleNewKey = "dnV0c3JxcG9ubWxramloZ2ZlZGNiYTk4NzY1NDMyMTA="
)

func ExampleNew() {
	ctx := context.Background()
	key, err := sealed.ParseKey(exampleKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	inner := memory.New() // Or any other store.
	st, err := sealed.New(inner, []sealed.Key{key})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = st.Put(ctx, "github.com/583231", store.Entry{Value: []byte("a token")})

	below, _ := inner.Get(ctx, "github.com/583231")
	fmt.Printf("below: %.35s...\n", below.Value)
	above, _ := st.Get(ctx, "github.com/583231")
	fmt.Printf("above: %s\n", above.Value)

	// Somebody copies the value to another user's key.
	_, _ = inner.Put(ctx, "github.com/1", store.Entry{Value: below.Value})
	_, err = st.Get(ctx, "github.com/1")
	if failed, ok := errors.AsType[*sealed.OpenError](err); ok {
		fmt.Println("moved:", failed.Reason)
	}
	// Output:
	// below: {"sealed":1,"key":"e90a1969","box":...
	// above: a token
	// moved: damaged
}

func ExampleParseKey() {
	key, err := sealed.ParseKey(exampleKey)
	fmt.Println(key, err)

	_, err = sealed.ParseKey("c2VjcmV0")
	fmt.Println(err)
	// Output:
	// key e90a1969 <nil>
	// sealed: the key has 6 bytes, want 32; make a key with `openssl rand -base64 32`
}

// A key is replaced: the new one is put first, and Reseal moves what the old one sealed.
func ExampleStore() {
	ctx := context.Background()
	inner := memory.New()
	oldKey, _ := sealed.ParseKey(exampleKey)
	newKey, _ := sealed.ParseKey(exampleNewKey)

	before, _ := sealed.New(inner, []sealed.Key{oldKey})
	_, _ = before.Put(ctx, "github.com/583231", store.Entry{Value: []byte("a token")})

	during, _ := sealed.New(inner, []sealed.Key{newKey, oldKey})
	n, err := during.Reseal(ctx)
	fmt.Println("sealed anew:", n, err)

	after, _ := sealed.New(inner, []sealed.Key{newKey})
	e, err := after.Get(ctx, "github.com/583231")
	fmt.Println(string(e.Value), err)
	// Output:
	// sealed anew: 1 <nil>
	// a token <nil>
}

// A store that already holds plain values is sealed once, with an option that is taken out again.
func ExampleWithPlaintextReadable() {
	ctx := context.Background()
	inner := memory.New()
	_, _ = inner.Put(ctx, "github.com/583231", store.Entry{Value: []byte("plain")})
	key, _ := sealed.ParseKey(exampleKey)

	moving, _ := sealed.New(inner, []sealed.Key{key}, sealed.WithPlaintextReadable())
	n, err := moving.Reseal(ctx)
	fmt.Println("sealed:", n, err)

	st, _ := sealed.New(inner, []sealed.Key{key})
	e, err := st.Get(ctx, "github.com/583231")
	fmt.Println(string(e.Value), err)
	// Output:
	// sealed: 1 <nil>
	// plain <nil>
}

// An error names the key that is missing.
func ExampleOpenError() {
	ctx := context.Background()
	inner := memory.New()
	oldKey, _ := sealed.ParseKey(exampleKey)
	newKey, _ := sealed.ParseKey(exampleNewKey)
	before, _ := sealed.New(inner, []sealed.Key{oldKey})
	_, _ = before.Put(ctx, "github.com/583231", store.Entry{Value: []byte("a token")})

	after, _ := sealed.New(inner, []sealed.Key{newKey})
	_, err := after.Get(ctx, "github.com/583231")
	if failed, ok := errors.AsType[*sealed.OpenError](err); ok {
		fmt.Println(failed.Reason, failed.KeyID)
	}
	fmt.Println("absent:", errors.Is(err, store.ErrNotFound))
	// Output:
	// unknown_key e90a1969
	// absent: false
}
