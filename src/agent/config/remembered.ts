// A configuration that is read again and again and seldom changes. Decides; what it reads it is given.
import { type FileContent, type FileReader, type LoadedConfiguration, loadConfiguration } from './load.js';

/** Loads a file; gives the very object of the last time if all that it would read is as it was then. */
export type ConfigurationLoader = (file: string) => LoadedConfiguration;

/**
 * Remembers the last configuration and what it was made of: of texts only digests, since files are large. Each load
 * reads all of them.
 *
 * @param digest equal for equal texts, and for no others.
 */
export function rememberingLoader(files: FileReader, digest: (text: string) => string): ConfigurationLoader {
  let last: Remembered | undefined;
  return (file) => {
    // What a load asks for follows from the answers before: if they all are the same, so are the questions.
    if (last?.file === file && last.answers.every(({ ask, answer }) => ask() === answer)) return last.loaded;
    const answers: Answer[] = [];
    const loaded = loadConfiguration(file, recorded(files, digest, answers));
    last = { file, loaded, answers };
    return loaded;
  };
}

interface Remembered {
  readonly file: string;
  readonly loaded: LoadedConfiguration;
  readonly answers: readonly Answer[];
}

/** Something that a load has asked, and what it was told, as a text. */
interface Answer {
  readonly ask: () => string;
  readonly answer: string;
}

function recorded(files: FileReader, digest: (text: string) => string, answers: Answer[]): FileReader {
  const textOfFile = (content: FileContent) => {
    return JSON.stringify(content.kind === 'text' ? { ...content, text: digest(content.text) } : content);
  };
  // Folders have no order; the load makes its own.
  const textOfFolder = (names: readonly string[] | undefined) => JSON.stringify([...(names ?? [])].sort());
  return {
    read: (path, bytesMax) => {
      const content = files.read(path, bytesMax);
      answers.push({ ask: () => textOfFile(files.read(path, bytesMax)), answer: textOfFile(content) });
      return content;
    },
    list: (folder) => {
      const names = files.list(folder);
      answers.push({ ask: () => textOfFolder(files.list(folder)), answer: textOfFolder(names) });
      return names;
    },
  };
}
