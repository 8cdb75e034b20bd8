// A web app that signs users in as Grafana's generic OAuth does, with golang.org/x/oauth2 and the settings of its file, and
// verifies the ID token with github.com/coreos/go-oidc.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

type visit struct {
	token    *oauth2.Token
	verifier string
}

type app struct {
	settings map[string]string
	config   oauth2.Config
	verify   *oidc.IDTokenVerifier
	mutex    sync.Mutex
	visits   map[string]*visit
}

func main() {
	settings := read(os.Args[1])
	provider, err := oidc.NewProvider(context.Background(), os.Args[2])
	fail(err)
	root := settings["root_url"]
	a := &app{
		settings: settings,
		visits:   map[string]*visit{},
		verify:   provider.Verifier(&oidc.Config{ClientID: os.Getenv("CLIENT_ID")}),
		config: oauth2.Config{
			ClientID:     os.Getenv("CLIENT_ID"),
			ClientSecret: os.Getenv("CLIENT_SECRET"),
			Endpoint:     oauth2.Endpoint{AuthURL: settings["auth_url"], TokenURL: settings["token_url"]},
			Scopes:       strings.Fields(settings["scopes"]),
			RedirectURL:  root + "login/generic_oauth",
		},
	}
	http.HandleFunc("/", a.home)
	http.HandleFunc("/login/generic_oauth", a.login)
	http.HandleFunc("/logout", a.logout)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

// The state is also the name of the visit; both are random.
func (a *app) login(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	if state == "" {
		state = rand.Text()
		verifier := oauth2.GenerateVerifier()
		a.put(state, &visit{verifier: verifier})
		http.Redirect(w, r, a.config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)), http.StatusFound)
		return
	}
	v := a.get(state)
	if v == nil || v.token != nil {
		http.Error(w, "unknown state", http.StatusBadRequest)
		return
	}
	token, err := a.config.Exchange(r.Context(), r.URL.Query().Get("code"), oauth2.VerifierOption(v.verifier))
	if err == nil {
		_, err = a.verify.Verify(r.Context(), fmt.Sprint(token.Extra("id_token")))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	a.put(state, &visit{token: token})
	http.SetCookie(w, &http.Cookie{Name: "go_visit", Value: state, Path: "/", HttpOnly: true})
	http.Redirect(w, r, "/", http.StatusFound)
}

// Every request has a token source of its own, as in the usual web app: requests at the same time refresh at the same time.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	id, v := a.visitOf(r)
	if v == nil || v.token == nil {
		http.Redirect(w, r, "/login/generic_oauth", http.StatusFound)
		return
	}
	token, err := a.config.TokenSource(r.Context(), v.token).Token()
	var claims map[string]any
	if err == nil {
		a.put(id, &visit{token: token})
		claims, err = a.userinfo(r.Context(), token)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fail(json.NewEncoder(w).Encode(map[string]any{
		"login":  claims[a.settings["login_attribute_path"]],
		"email":  claims[a.settings["email_attribute_path"]],
		"groups": claims[a.settings["groups_attribute_path"]],
		"at":     time.Now(),
	}))
}

func (a *app) userinfo(ctx context.Context, token *oauth2.Token) (map[string]any, error) {
	response, err := a.config.Client(ctx, token).Get(a.settings["api_url"])
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", a.settings["api_url"], response.Status)
	}
	var claims map[string]any
	return claims, json.NewDecoder(response.Body).Decode(&claims)
}

func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	id, v := a.visitOf(r)
	if v == nil || v.token == nil {
		http.Redirect(w, r, "/", http.StatusFound)
		return
	}
	a.put(id, nil)
	// As Grafana does where the address names a post_logout_redirect_uri.
	address, err := url.Parse(a.settings["signout_redirect_url"])
	fail(err)
	query := address.Query()
	query.Set("id_token_hint", fmt.Sprint(v.token.Extra("id_token")))
	address.RawQuery = query.Encode()
	http.Redirect(w, r, address.String(), http.StatusFound)
}

func (a *app) visitOf(r *http.Request) (string, *visit) {
	cookie, err := r.Cookie("go_visit")
	if err != nil {
		return "", nil
	}
	return cookie.Value, a.get(cookie.Value)
}

func (a *app) get(id string) *visit {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.visits[id]
}

func (a *app) put(id string, v *visit) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.visits[id] = v
}

// The settings of all sections of an ini file.
func read(file string) map[string]string {
	text, err := os.Open(file)
	fail(err)
	defer text.Close()
	settings := map[string]string{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(name, ";") {
			settings[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return settings
}

func fail(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
