package export

import "github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"

// shm runs the program with a standard input.
func shm(stdin string, args ...string) clitest.Result { return clitest.Run(stdin, args, Command) }
