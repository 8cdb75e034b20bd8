// The OIDC authenticator of kube-apiserver with a file as --authentication-config takes it. For each token on standard input it
// prints one line: whom the API server takes its bearer for, or why it refuses.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

type verdict struct {
	Username string   `json:"username,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func main() {
	configuration, err := load(os.Args[1])
	fail(err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	authenticator, err := oidc.New(ctx, oidc.Options{JWTAuthenticator: configuration.JWT[0]})
	fail(err)
	// The authenticator fetches discovery and keys in the background.
	for authenticator.HealthCheck() != nil && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	fail(authenticator.HealthCheck())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fail(json.NewEncoder(os.Stdout).Encode(judge(ctx, authenticator, lines.Text())))
	}
}

func judge(ctx context.Context, authenticator oidc.AuthenticatorTokenWithHealthCheck, token string) verdict {
	response, ok, err := authenticator.AuthenticateToken(ctx, token)
	if err != nil {
		return verdict{Error: err.Error()}
	}
	if !ok {
		return verdict{Error: "not a token of this issuer"}
	}
	return verdict{Username: response.User.GetName(), Groups: response.User.GetGroups()}
}

func load(file string) (*apiserver.AuthenticationConfiguration, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	codecs := serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	object, err := runtime.Decode(codecs.UniversalDecoder(), text)
	if err != nil {
		return nil, err
	}
	configuration, ok := object.(*apiserver.AuthenticationConfiguration)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T", file, object)
	}
	return configuration, nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
