import { join } from "node:path";

/** The instances of the demo: one MariaDB under two names, because a policy has one repository. */
export const IN_BUCKET = "shop-in-bucket";
export const IN_DIRECTORY = "shop-in-directory";
/** Of another pool: no business of the database host's. */
export const FOREIGN = "payroll";
export const POOL = "databases";
const BUCKET = "backups";

export interface S3Place {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
}

export const s3Place = ({ endpoint, accessKeyId }: Omit<S3Place, "bucket">): S3Place => ({ endpoint, accessKeyId, bucket: BUCKET });

/** Nothing comes due by itself while the demo runs. */
const NEVER = '{ cron: "0 0 1 1 *" }';

/** How the server reaches the repositories: nobody else has credentials of the bucket. */
function repositories(place: { directory: string; s3: S3Place | null; secretFile: string }): string {
  const { s3 } = place;
  const bucket = s3 === null ? "" : `  bucket:
    kind: s3
    options:
      endpoint: ${s3.endpoint}
      bucket: ${s3.bucket}
      accessKeyId: ${s3.accessKeyId}
      secretAccessKeyFile: ${place.secretFile}
      lock: { mode: compliance, uncommittedLock: 1h, committedLock: 2d }
`;
  return `repositories:\n  directory: { kind: local, options: { path: ${place.directory} } }\n${bucket}`;
}

export interface ServerPlace {
  readonly dir: string;
  readonly port: number;
  readonly recipients: readonly string[];
  readonly keyholderAddress: string;
  readonly directory: string;
  readonly s3: S3Place | null;
}

export function serverYaml({ dir, port, recipients, keyholderAddress, directory, s3 }: ServerPlace): string {
  const file = (name: string): string => join(dir, name);
  const policy = (repository: string): string => `{ repository: ${repository}, full: ${NEVER}, logs: { shipEvery: 1s }, verification: { schedule: ${NEVER} } }`;
  const instance = (policyName: string, pool: string): string => `{ engine: mysql, policy: ${policyName}, pool: ${pool}, connection: { socket: /nowhere/only-the-agent-knows.sock, user: nobody } }`;
  return `stateDir: ${file("state")}
listen: { address: "127.0.0.1:${String(port)}" }
keys: { recipients: [${recipients.join(", ")}] }
keyholder: { address: "${keyholderAddress}", certificate: ${file("client.pem")}, key: ${file("client.key")}, ca: ${file("ca.pem")} }
${repositories({ directory, s3, secretFile: file("s3.secret") })}policies:
  to-directory: ${policy("directory")}
${s3 === null ? "" : `  to-bucket: ${policy("bucket")}\n`}instances:
  ${IN_DIRECTORY}: ${instance("to-directory", POOL)}
  ${FOREIGN}: ${instance("to-directory", "offices")}
${s3 === null ? "" : `  ${IN_BUCKET}: ${instance("to-bucket", POOL)}\n`}`;
}

export function keyholderYaml({ dir, address, signingKey }: { dir: string; address: string; signingKey: string }): string {
  const file = (name: string): string => join(dir, name);
  return `stateDir: ${file("state")}
identities: [${file("daily.key")}]
signingKey: ${signingKey}
tls: { address: "${address}", certificate: ${file("tls.pem")}, key: ${file("tls.key")}, clientCa: ${file("clients.pem")} }
`;
}

export interface GatewayPlace {
  readonly dir: string;
  readonly port: number;
  readonly fingerprint: string;
  readonly directory: string;
}

export function gatewayYaml({ dir, port, fingerprint, directory }: GatewayPlace): string {
  const file = (name: string): string => join(dir, name);
  return `listen: { host: 127.0.0.1, port: ${String(port)} }
tls: { certificateFile: ${file("tls.pem")}, keyFile: ${file("tls.key")} }
stateDir: ${file("state")}
signingKeyFingerprint: ${fingerprint}
${repositories({ directory, s3: null, secretFile: "" })}`;
}

export interface AgentPlace {
  readonly dir: string;
  readonly recipients: readonly string[];
  readonly gatewayUrl: string;
  readonly hasBucket: boolean;
  readonly socket: string;
}

/** Nothing in it opens a repository. */
export function agentYaml({ dir, recipients, gatewayUrl, hasBucket, socket }: AgentPlace): string {
  const instance = `{ engine: mysql, connection: { socket: ${socket}, user: root } }`;
  const gateway = `{ kind: gateway, options: { url: "${gatewayUrl}", caFile: ${join(dir, "ca.pem")} } }`;
  return `stateDir: ${join(dir, "state")}
recipients: [${recipients.join(", ")}]
restoreTargets: [${join(dir, "restores")}]
bufferBytes: 64MiB
instances:
  ${IN_DIRECTORY}: ${instance}
${hasBucket ? `  ${IN_BUCKET}: ${instance}\n` : ""}repositories:
  directory: ${gateway}
${hasBucket ? `  bucket: { kind: presigned, options: { caFile: ${join(dir, "ca.pem")} } }\n` : ""}`;
}
