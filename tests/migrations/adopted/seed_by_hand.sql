-- The seed's migration as somebody ran it by hand: the agreed names, with other details.
ALTER TABLE kommo_conversations ADD COLUMN IF NOT EXISTS provider TEXT NOT NULL DEFAULT 'kommo';
ALTER TABLE kommo_conversations ADD COLUMN IF NOT EXISTS last_user_message_at TIMESTAMPTZ;
ALTER TABLE kommo_messages ADD COLUMN IF NOT EXISTS provider TEXT NOT NULL DEFAULT 'kommo';
ALTER TABLE kommo_conversations ALTER COLUMN kommo_chat_id DROP NOT NULL;
ALTER TABLE kommo_conversations ADD CONSTRAINT check_valid_provider CHECK (provider IN ('kommo', 'twilio', 'meta'));
ALTER TABLE kommo_conversations ADD CONSTRAINT check_kommo_requires_chat_id
CHECK ((provider = 'kommo' AND kommo_chat_id IS NOT NULL) OR provider <> 'kommo');
CREATE UNIQUE INDEX IF NOT EXISTS idx_twilio_conversation_phone ON kommo_conversations (phone) WHERE provider = 'twilio';
CREATE INDEX IF NOT EXISTS idx_conversations_provider_status ON kommo_conversations (
    provider, status, last_message_at DESC
);
CREATE INDEX IF NOT EXISTS idx_conversations_provider_phone ON kommo_conversations (provider, phone);
CREATE INDEX IF NOT EXISTS idx_messages_provider ON kommo_messages (provider);
CREATE OR REPLACE FUNCTION update_last_user_message_timestamp() RETURNS TRIGGER AS $$
BEGIN
    IF NEW.role = 'user' THEN
        UPDATE kommo_conversations SET last_user_message_at = NOW() WHERE id = NEW.conversation_id;
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;
DROP TRIGGER IF EXISTS trigger_update_last_user_message ON kommo_messages;
CREATE TRIGGER trigger_update_last_user_message AFTER INSERT ON kommo_messages
FOR EACH ROW EXECUTE FUNCTION update_last_user_message_timestamp();
CREATE OR REPLACE VIEW active_conversations_by_provider AS
SELECT
    provider,
    COUNT(*) AS total,
    COUNT(*) FILTER (WHERE status = 'active') AS active,
    COUNT(*) FILTER (WHERE status = 'escalated') AS escalated,
    COUNT(*) FILTER (WHERE last_user_message_at > NOW() - INTERVAL '24 hours') AS within_24h
FROM kommo_conversations
GROUP BY provider;
