// Prints a checksum database of Go modules for the tests: its verifier key, and every answer that
// the go command can want of it, as one JSON object.
//
//	checksum-database NAME PROXY MODULE@VERSION...
//
// NAME is the host, and perhaps the port, under which the answers will be served. PROXY is the URL of
// the module proxy that has the modules. The log and its signature are those of golang.org/x/mod.
package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The height of tiles that the go command asks for.
const height = 8

type database struct {
	Key     string            `json:"key"`
	Answers map[string][]byte `json:"answers"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("checksum-database: ")
	if len(os.Args) < 4 {
		log.Fatal("usage: checksum-database NAME PROXY MODULE@VERSION...")
	}
	made, err := build(os.Args[1], strings.TrimSuffix(os.Args[2], "/"), os.Args[3:])
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(made); err != nil {
		log.Fatal(err)
	}
}

func build(name, proxy string, modules []string) (*database, error) {
	signer, verifier, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, err
	}
	sums := func(path, version string) ([]byte, error) { return sumsOf(proxy, path, version) }
	server := sumdb.NewServer(sumdb.NewTestServer(signer, sums))
	paths := []string{"/latest"}
	for _, tile := range tlog.NewTiles(height, 0, int64(len(modules))) {
		paths = append(paths, "/"+tile.Path())
	}
	for _, name := range modules {
		lookup, err := lookupPath(name)
		if err != nil {
			return nil, err
		}
		// A record is made when it is asked for first. What is printed comes after all of them, so
		// that it speaks of one and the same tree.
		if _, err := ask(server, lookup); err != nil {
			return nil, err
		}
		paths = append(paths, lookup)
	}
	answers := map[string][]byte{}
	for _, path := range paths {
		if answers[path], err = ask(server, path); err != nil {
			return nil, err
		}
	}
	return &database{Key: verifier, Answers: answers}, nil
}

func lookupPath(name string) (string, error) {
	path, version, _ := strings.Cut(name, "@")
	escapedPath, err := module.EscapePath(path)
	if err != nil {
		return "", err
	}
	escapedVersion, err := module.EscapeVersion(version)
	if err != nil {
		return "", err
	}
	return "/lookup/" + escapedPath + "@" + escapedVersion, nil
}

func ask(server http.Handler, path string) ([]byte, error) {
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	if recorder.Code != http.StatusOK {
		return nil, fmt.Errorf("%s: %d %s", path, recorder.Code, recorder.Body)
	}
	return recorder.Body.Bytes(), nil
}

// The two lines of go.sum.
func sumsOf(proxy, path, version string) ([]byte, error) {
	below := proxy + "/" + path + "/@v/" + version
	archive, err := download(below + ".zip")
	if err != nil {
		return nil, err
	}
	defer os.Remove(archive)
	manifest, err := download(below + ".mod")
	if err != nil {
		return nil, err
	}
	defer os.Remove(manifest)
	ofArchive, err := dirhash.HashZip(archive, dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	open := func(string) (io.ReadCloser, error) { return os.Open(manifest) }
	ofManifest, err := dirhash.Hash1([]string{"go.mod"}, open)
	if err != nil {
		return nil, err
	}
	lines := fmt.Sprintf("%s %s %s\n%s %s/go.mod %s\n", path, version, ofArchive, path, version, ofManifest)
	return []byte(lines), nil
}

// The name of a new file with what is under the URL.
func download(url string) (string, error) {
	response, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, response.Status)
	}
	file, err := os.CreateTemp("", "checksum-database")
	if err != nil {
		return "", err
	}
	defer file.Close()
	if _, err := io.Copy(file, response.Body); err != nil {
		os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}
