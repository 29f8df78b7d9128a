package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The Dockerfile builds the same program by the same flags, for the same user, and says the same of it, but for the time.
func TestDockerfile(t *testing.T) {
	data, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	r := &Release{Version: "$VERSION", Commit: "$COMMIT"}
	wants := []string{
		`go build -trimpath -buildvcs=false -ldflags "` + fmt.Sprintf(linkerFlags, r.Version, r.Commit) + `" -o /shmkeeper ./cmd/shmkeeper`,
		"\nRUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \\\n", "\nFROM scratch\n", "\nCOPY --from=build /shmkeeper /shmkeeper\n",
		"\nUSER " + user + "\n", "\nENTRYPOINT [\"/shmkeeper\"]\n",
	}
	for name, value := range r.annotations() {
		if name != "org.opencontainers.image.created" {
			wants = append(wants, fmt.Sprintf("%s=%q", name, value))
		}
	}
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile does not have %q", want)
		}
	}
}
