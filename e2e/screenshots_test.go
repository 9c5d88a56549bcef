package e2e

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

// TestScreenshots makes pictures in the folder that GHLOGIN_SCREENSHOTS names: those of the README,
// and one of each page for a person to look at.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("GHLOGIN_SCREENSHOTS")
	if dir == "" {
		t.Skip("no pictures are asked for; set GHLOGIN_SCREENSHOTS to a folder to make them")
	}
	t.Run("readme", func(t *testing.T) {
		t.Parallel()
		for scheme, name := range map[string]string{"light": "quickstart.png", "dark": "quickstart-dark.png"} {
			readmePicture(t, scheme, filepath.Join(dir, name))
		}
	})
	t.Run("review", func(t *testing.T) {
		t.Parallel()
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 380} {
				reviewPictures(t, dir, scheme, width)
			}
		}
	})
}

// readmePicture puts the start page before and after a sign-in side by side.
func readmePicture(t *testing.T, scheme, path string) {
	t.Helper()
	const width, height, scale = 560, 460, 1.5
	tab := newBrowser(t)
	s := startSite(t)
	look(tab, t, scheme)
	do(tab, t, chromedp.EmulateViewport(width, height, chromedp.EmulateScale(scale)))
	do(tab, t, chromedp.Navigate(s.home), chromedp.WaitVisible(signInButton))
	before := decode(t, read(tab, t, chromedp.CaptureScreenshot()))
	do(tab, t, chromedp.Click(signInButton), chromedp.Click(authorizeButton), chromedp.WaitVisible(signOutButton))
	after := decode(t, read(tab, t, chromedp.CaptureScreenshot()))

	w, h := before.Bounds().Dx(), before.Bounds().Dy()
	both := image.NewRGBA(image.Rect(0, 0, 2*w, h))
	draw.Draw(both, image.Rect(0, 0, w, h), before, image.Point{}, draw.Src)
	draw.Draw(both, image.Rect(w, 0, 2*w, h), after, image.Point{}, draw.Src)
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, both); err != nil {
		t.Fatal(err)
	}
	save(t, path, out.Bytes())
}

func reviewPictures(t *testing.T, dir, scheme string, width int64) {
	t.Helper()
	tab := newBrowser(t)
	s := startSite(t)
	look(tab, t, scheme)
	do(tab, t, chromedp.EmulateViewport(width, 800))
	shoot := func(name string) {
		save(t, filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, scheme, width)), read(tab, t, chromedp.FullScreenshot(100)))
	}
	do(tab, t, chromedp.Navigate(s.home), chromedp.WaitVisible(signInButton))
	shoot("signed-out")
	do(tab, t, chromedp.Focus(signInButton))
	shoot("focus")
	do(tab, t, chromedp.Click(signInButton), chromedp.WaitVisible(authorizeButton))
	shoot("authorize")
	do(tab, t, chromedp.Click(cancelButton), chromedp.WaitVisible(wayOn))
	shoot("problem-denied")
	do(tab, t, chromedp.Navigate(s.home+"auth/github/callback?state=x"), chromedp.WaitVisible(wayOn))
	shoot("problem-attempt")
	do(tab, t, chromedp.Navigate(s.home+"auth/github/logout"), chromedp.WaitVisible(body))
	shoot("problem-method")
	do(tab, t, chromedp.Navigate(s.home+"repos"), chromedp.Click(authorizeButton), chromedp.WaitVisible(signOutButton))
	shoot("repos")
	do(tab, t, chromedp.Navigate(s.home), chromedp.WaitVisible(signOutButton))
	shoot("signed-in")
	offline := demotest.Start(t, quickstartPath(), nil, "-addr", "127.0.0.1:0")
	do(tab, t, chromedp.Navigate(offline.Line(t, "Open ")), chromedp.WaitVisible(signInButton))
	shoot("offline")
}

// look has pages see the color scheme that a visitor prefers.
func look(tab context.Context, t *testing.T, scheme string) {
	t.Helper()
	media := emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}
	if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
}

func decode(t *testing.T, picture []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func save(t *testing.T, path string, picture []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		t.Fatal(err)
	}
}
