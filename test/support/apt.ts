/** Installs Debian packages without starting anything and without leaving a trace in the machine's configuration. */

/** What the installer touches; a test plays it. */
export interface Machine {
  /** Runs apt-get with these words. Throws when it fails. */
  apt(...words: string[]): void;
  read(path: string): string | undefined;
  write(path: string, content: string): void;
  remove(path: string): void;
}

const policyPath = '/usr/sbin/policy-rc.d';
const clusterPath = '/etc/postgresql-common/createcluster.conf';

/** The package lists are fetched once; packages that are there already are left alone. */
export function installPackages(packages: readonly string[], machine: Machine): void {
  const install = (names: readonly string[]): void => machine.apt('install', '-y', '--no-install-recommends', ...names);
  machine.apt('update');
  // Exit 101 is how Debian is told to leave services stopped after their installation.
  withFile(
    policyPath,
    () => '#!/bin/sh\nexit 101\n',
    machine,
    () => {
      if (!packages.includes('postgresql')) return install(packages);
      // Its own configuration has to stand before the server comes: with it no cluster is made, and port 5432 stays free.
      install(['postgresql-common']);
      withFile(
        clusterPath,
        (before) => `${before}\ncreate_main_cluster = false\n`,
        machine,
        () => install(packages),
      );
    },
  );
}

/** Runs `action` with other content in a file, and puts back what was there, also when it fails. */
function withFile(path: string, content: (before: string) => string, machine: Machine, action: () => void): void {
  const before = machine.read(path);
  machine.write(path, content(before ?? ''));
  try {
    action();
  } finally {
    if (before === undefined) machine.remove(path);
    else machine.write(path, before);
  }
}
