module github.com/shmkeeper/shmkeeper/tools/site

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/yuin/goldmark v1.8.7
	golang.org/x/net v0.58.0
)
